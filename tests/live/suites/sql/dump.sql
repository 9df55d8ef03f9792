-- As pg_dump writes it.
SET standard_conforming_strings = on;
CREATE TABLE public.dumped (id integer, name text);
COPY public.dumped (id, name)
  FROM stdin;
1	it's not "SQL"
\.
