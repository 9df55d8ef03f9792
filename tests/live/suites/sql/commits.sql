insert into things values (2, 'two');
commit;
