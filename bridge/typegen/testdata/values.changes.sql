INSERT INTO things (i2, i4, i8, num, cash, obj, lsn, f4, f8, yes, perhaps, js, jb, tz, tz3, ts, d, t, ttz, iv, bin, txt, vc, ch, one, nm, x, u,
                    ip, net, mac, b, vb, pt, bx, rng, own_rng, tsv, path, reg, mood, mood_null, tag, tags, amount, sure, surer,
                    a_i8, a_2d, a_f, a_txt, a_mood, a_js, a_tz, a_yes, grid, a_grid, a_amount, part, a_part, whole, some_part, seam, "Größe", "a b", "1st", "type")
VALUES (1, 2, 3, 4.5, 6, 7, '0/8', 1.5, 2.5, true, false, '[1, "x", null]', '{"a": {"b": 1e99}}', now(), now(), now(), now(), now(), now(), '1 day', '\x00ff',
        E'a\n\\"\u2028😀', 'vc', 'ch', 'o', 'nm', '<x/>', '0b6b2e9e-6f0a-4d7e-9f57-0a4b7cf7a5f1', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '1010', '101',
        '(1,2)', '(1,2),(3,4)', '[1,5)', '[1,2.5]', 'a:1 b', '$.a', 'things', 'sad', 'it''s "fine" \', 'a', '{a}', 9, 's', 's',
        '{1,NULL}', '{{1,2},{3,NULL}}', '{1,NULL,NaN,-Infinity}', '{a,NULL}', '{sad,"`${x}`"}', array['1'::jsonb, 'null', NULL], '{infinity,2026-01-01}', '{t,f,NULL}',
        '{{1,2},{3,4}}', '{"{{1}}",NULL}', array[1, NULL]::amount[],
        row(1, now(), '\x01', '{t}', 's', 'sad'), array[row(NULL, NULL, NULL, NULL, 's', NULL)::part, NULL], row('w', array[row(1, now(), NULL, '{}', 's', 'sad')::part])::whole,
        row(1, now(), '\x01', '{t}', 's', 'sad'), row(1, 'Infinity'), 1, 2, 3, 4);
INSERT INTO things (i2, f8, yes, jb, tz, txt, mood, amount, sure, surer, a_f, part, seam)
VALUES (-1, 'NaN', false, 'null', 'infinity', '', '`${x}`', 1, '', '', '{}', row(NULL, NULL, NULL, NULL, '', NULL), row(NULL, NULL));
UPDATE things SET f8 = 'Infinity', f4 = '-Infinity', num = 'NaN', ts = '-infinity', cash = -1234567.89, i2 = 7;
UPDATE things SET id = DEFAULT, txt = 'moved';
UPDATE things SET txt = (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 2000) i) WHERE f8 = 'Infinity';
INSERT INTO things (i2, f8, yes, jb, tz, txt, mood, amount, sure, surer, a_f)
SELECT 1, 1, true, '{}', now(), string_agg(md5(i::text), ''), 'sad', 1, '', '', '{}' FROM generate_series(1, 2000) i;
DELETE FROM things;
