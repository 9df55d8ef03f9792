-- The third statement fails, in its second line; nothing of the first two may stay.
insert into things values (2, 'two');
insert into things values (3, 'it''s; a -- name');
/* not ; here */ insert into things
    (id, nome) values (4, 'four');
insert into things values (5, 'five');
