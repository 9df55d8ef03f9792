do $$ begin raise notice 'there are % things; so far', (select count(*) from things); end $$;
