select 1;
\copy things from 'x'
