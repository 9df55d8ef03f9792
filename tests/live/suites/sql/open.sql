insert into things values (2, 'two');
insert into things values (3, 'three);
