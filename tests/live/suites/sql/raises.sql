insert into things values (3, 'not kept');
do $$
begin
  raise exception 'boom; %', 'x';
end $$;
