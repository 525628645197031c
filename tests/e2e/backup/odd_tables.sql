-- Tables that dumps are known to lose, to change or to stumble over.
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
CREATE TABLE my_isam (id INT AUTO_INCREMENT PRIMARY KEY, note TEXT, FULLTEXT KEY words (note)) ENGINE=MyISAM;
INSERT INTO my_isam (note) VALUES ('하나'), (NULL), ('three');
CREATE TABLE my_isam_too LIKE my_isam;
INSERT INTO my_isam_too (note) VALUES ('four');
CREATE TABLE merged (id INT AUTO_INCREMENT, note TEXT, KEY (id)) ENGINE=MRG_MyISAM UNION=(`my_isam`, `my_isam_too`);
DROP TABLE merged;
CREATE TABLE aria_table (id INT PRIMARY KEY, ratio FLOAT) ENGINE=Aria TRANSACTIONAL=1;
INSERT INTO aria_table VALUES (1, 1.2345678), (2, -0e0), (3, 1e-45);
CREATE TABLE in_memory (id INT PRIMARY KEY, name VARCHAR(20)) ENGINE=MEMORY;
INSERT INTO in_memory VALUES (1, 'one');
CREATE TABLE in_csv (id INT NOT NULL, name VARCHAR(20) NOT NULL) ENGINE=CSV;
INSERT INTO in_csv VALUES (1, 'a"b,c\\d'), (2, '');

CREATE TABLE floats (
  id INT AUTO_INCREMENT PRIMARY KEY, f FLOAT, u FLOAT UNSIGNED, m FLOAT(9,3), d DOUBLE, dm DOUBLE(12,4), body BLOB,
  bits BIT(64), list ENUM('a''b', '', 'c,d'), many SET('', 'x', 'y'), at TIMESTAMP(6) NULL, day DATE, y YEAR,
  place POINT, twice FLOAT AS (f * 2) VIRTUAL, half FLOAT AS (f / 2) STORED, hidden INT INVISIBLE DEFAULT 7,
  addr INET6, u_id UUID, doc JSON, amount DECIMAL(60,30), KEY (f), KEY (twice)
);
INSERT INTO floats (f, u, m, d, dm, body, bits, list, many, at, day, y, place, hidden, addr, u_id, doc, amount)
VALUES
  (1.17549435e-38, 3.4028234e38, 123.456, 0.1, 1.5, X'00FF275C0A0D1A', ~0, 'a''b', 'x,y', '2026-01-01 00:00:00.123456',
   '0000-00-00', 0, ST_GeomFromText('POINT(1 2)', 4326), 9, '::1', UUID(), '{"a": "\\n"}', 1.000000000000000000000000000001),
  (-0e0, 1.4e-45, -0e0, -0e0, -0e0, '', 0, '', '', NULL, '2026-02-00', 1901, NULL, NULL, NULL, NULL, NULL, NULL),
  (16777217, 0.1, 0.001, 1e308, -1.2345, NULL, 1, 'nowhere', 4, '1970-01-01 00:00:01', NULL, 2155, NULL, 1,
   '1.2.3.4', NULL, '[]', -0.000000000000000000000000000001);
CREATE TABLE fixed_decimals (id INT PRIMARY KEY, price FLOAT(12,3), small FLOAT(20,9), much DOUBLE(40,20));
INSERT INTO fixed_decimals SELECT seq, RAND(seq) * POW(10, seq % 9), RAND(seq + 1) * POW(10, -(seq % 7)),
  RAND(seq) * POW(10, 9) / POW(10, seq % 20) FROM seq_1_to_2000;
CREATE TABLE float_keys (f FLOAT NOT NULL, id INT NOT NULL, PRIMARY KEY (f, id)) PARTITION BY HASH (id) PARTITIONS 3;
INSERT INTO float_keys SELECT 1 / seq, seq FROM seq_1_to_300;
CREATE TABLE float_history (id INT PRIMARY KEY, f FLOAT) WITH SYSTEM VERSIONING;
INSERT INTO float_history VALUES (1, 0.1), (2, 0.2);
UPDATE float_history SET f = f * 3;
DELETE FROM float_history WHERE id = 2;
CREATE TABLE long_values (id INT PRIMARY KEY, b LONGBLOB, t LONGTEXT, l LONGTEXT CHARACTER SET latin1, j JSON);
INSERT INTO long_values VALUES (1, REPEAT(X'00FF5C270A', 200000), NULL, REPEAT('é''', 300000), '{}'),
  (2, NULL, REPEAT('한''\\n', 200000), '', CONCAT('["', REPEAT('x', 600000), '"]'));
CREATE TABLE doubles_without_a_sign (id INT PRIMARY KEY, d DOUBLE);
INSERT INTO doubles_without_a_sign VALUES (1, 0), (2, 2.5);

CREATE TABLE japanese (id INT PRIMARY KEY, name VARCHAR(9), kind ENUM('a', 'b')) CHARACTER SET cp932;
INSERT INTO japanese VALUES (1, X'8790', 'b'), (2, X'835C', NULL);
CREATE TABLE `two bytes` (`a``b` VARCHAR(9) CHARACTER SET ucs2, `c.d 'e"` VARCHAR(9) CHARACTER SET utf16le);
INSERT INTO `two bytes` VALUES ('한', '😀');

CREATE SEQUENCE z_numbers START WITH 10 INCREMENT BY 5 CACHE 3;
CREATE SEQUENCE spent MAXVALUE 2 NOCACHE;
CREATE TABLE a_number (id BIGINT DEFAULT NEXTVAL(z_numbers) PRIMARY KEY, name TEXT);
INSERT INTO a_number (name) VALUES ('first'), ('second');
DO NEXTVAL(spent), NEXTVAL(spent);

CREATE TABLE by_transaction (
  id INT PRIMARY KEY, name VARCHAR(20), since BIGINT UNSIGNED GENERATED ALWAYS AS ROW START,
  until BIGINT UNSIGNED GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (since, until)
) WITH SYSTEM VERSIONING;
INSERT INTO by_transaction (id, name) VALUES (1, 'old'), (2, 'gone');
UPDATE by_transaction SET name = 'new' WHERE id = 1;
DELETE FROM by_transaction WHERE id = 2;
CREATE TABLE by_time (id INT PRIMARY KEY, n INT) WITH SYSTEM VERSIONING
  PARTITION BY SYSTEM_TIME INTERVAL 1 MONTH STARTS '2026-01-01 00:00:00' AUTO PARTITIONS 3;
INSERT INTO by_time VALUES (1, 1), (2, 2);
UPDATE by_time SET n = n + 1;
CREATE TABLE by_count (id INT PRIMARY KEY, n INT) WITH SYSTEM VERSIONING
  PARTITION BY SYSTEM_TIME LIMIT 2 AUTO PARTITIONS 3;
INSERT INTO by_count VALUES (1, 1), (2, 2), (3, 3);
UPDATE by_count SET n = n + 1;
UPDATE by_count SET n = n + 1;
DELETE FROM by_count WHERE id = 3;

SET SESSION innodb_strict_mode = 0;
SELECT CONCAT('CREATE TABLE too_wide (', GROUP_CONCAT('c', seq, ' CHAR(255) CHARACTER SET latin1'), ') ROW_FORMAT=DYNAMIC')
  FROM seq_1_to_40 INTO @wide;
EXECUTE IMMEDIATE @wide;
INSERT INTO too_wide (c1, c40) VALUES ('a', 'z');
CREATE TABLE odd_options (id INT PRIMARY KEY) ROW_FORMAT=FIXED KEY_BLOCK_SIZE=3;
SET SESSION innodb_strict_mode = DEFAULT;
CREATE TABLE packed (id INT PRIMARY KEY, t TEXT COMPRESSED) PAGE_COMPRESSED=1 CHECKSUM=1;
INSERT INTO packed VALUES (1, REPEAT('x', 1000));

SET foreign_key_checks = 0;
CREATE TABLE parent (id INT PRIMARY KEY, other INT, CONSTRAINT self FOREIGN KEY (other) REFERENCES parent (id));
CREATE TABLE child (id INT PRIMARY KEY, parent INT, CONSTRAINT `to ``parent` FOREIGN KEY (parent) REFERENCES parent (id)
  ON DELETE CASCADE);
CREATE TABLE orphan (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES never_there (id));
INSERT INTO orphan VALUES (1, 99);
CREATE TABLE wide_parent (id INT, KEY unneeded (id));
CREATE TABLE drifted (id INT PRIMARY KEY, parent INT, CONSTRAINT drifts FOREIGN KEY (parent) REFERENCES wide_parent (id));
INSERT INTO wide_parent VALUES (1);
CREATE TABLE elsewhere (id BIGINT PRIMARY KEY) ENGINE=Aria;
CREATE TABLE strayed (parent INT, CONSTRAINT strays FOREIGN KEY (parent) REFERENCES elsewhere (id));
INSERT INTO drifted VALUES (1, 1);
ALTER TABLE wide_parent DROP KEY unneeded;
SET foreign_key_checks = 1;
SET check_constraint_checks = 0;
CREATE TABLE checked (id INT PRIMARY KEY, n INT CHECK (n > 10), CONSTRAINT `새 것` CHECK (id < 100));
INSERT INTO checked VALUES (1, 5), (200, 11);
SET check_constraint_checks = 1;
CREATE TABLE `a/b\c%d e``f"g'h.i;j` (`delimiter ;;` INT, `SELECT` INT) COMMENT 'odd \' " \\ ; -- ';
INSERT INTO `a/b\c%d e``f"g'h.i;j` VALUES (1, 2);
CREATE TABLE `-- odd` (id INT);
CREATE TABLE Case_Of_Name (id INT, ratio FLOAT);
CREATE TABLE case_of_name (id INT);
INSERT INTO Case_Of_Name VALUES (1, 0.3);
INSERT INTO case_of_name VALUES (2);
CREATE TABLE generated (a INT, b INT AS (a + 1) PERSISTENT UNIQUE, c VARCHAR(20) AS (CONCAT('x', a)) VIRTUAL, KEY (c));
INSERT INTO generated (a) VALUES (1), (2);
CREATE TABLE periods (id INT, s DATE, e DATE, PERIOD FOR validity (s, e), UNIQUE (id, validity WITHOUT OVERLAPS));
INSERT INTO periods VALUES (1, '2020-01-01', '2021-01-01');
CREATE TABLE zeros (id INT AUTO_INCREMENT PRIMARY KEY, d DATE NOT NULL DEFAULT '0000-00-00', t TIMESTAMP NOT NULL);
INSERT INTO zeros VALUES (0, '0000-00-00', '0000-00-00 00:00:00');

CREATE TABLE two_texts (id INT, c VARCHAR(9) CHARACTER SET utf32 DEFAULT (CONCAT(_latin1'a', _utf8mb3'é')))
  CHARACTER SET ucs2;
INSERT INTO two_texts VALUES (1, '한'), (2, NULL);
CREATE TABLE crashed (id INT, t VARCHAR(200)) ENGINE=MyISAM ROW_FORMAT=DYNAMIC;
INSERT INTO crashed SELECT seq, REPEAT('x', seq % 150) FROM seq_1_to_1000;
CREATE TABLE crashed_floats (id INT, f FLOAT, t VARCHAR(200)) ENGINE=MyISAM ROW_FORMAT=DYNAMIC;
INSERT INTO crashed_floats SELECT seq, seq, REPEAT('x', seq % 150) FROM seq_1_to_1000;
CREATE TABLE merged_with_a_gap (id INT, t VARCHAR(200)) ENGINE=MRG_MyISAM UNION=(crashed, gone_part);
CREATE TABLE discarded (id INT);
ALTER TABLE discarded DISCARD TABLESPACE;
SET sql_mode = 'ALLOW_INVALID_DATES';
CREATE TABLE no_such_day (d DATE, t DATETIME(3) NOT NULL DEFAULT '2023-02-30 00:00:00');
INSERT INTO no_such_day VALUES ('2023-02-31', '2023-11-31 10:00:00.5'), ('2023-04-31', DEFAULT);
CREATE TABLE no_such_day_floats (d DATE, f FLOAT) ENGINE=MyISAM;
INSERT INTO no_such_day_floats VALUES ('2023-02-31', 0.1);
CREATE TABLE no_such_day_locked (d DATE) ENGINE=MyISAM;
INSERT INTO no_such_day_locked VALUES ('2023-02-31');
SET sql_mode = DEFAULT;
CREATE TABLE bytes_in_definitions (
  list ENUM(X'FF00', 'b') CHARACTER SET binary, body VARBINARY(9) DEFAULT X'00FF41C3', many SET('é', 'ÿ') CHARACTER SET latin1
) PARTITION BY LIST COLUMNS (body) (PARTITION one VALUES IN (X'00FF', X'5C27'), PARTITION rest DEFAULT);
INSERT INTO bytes_in_definitions VALUES (1, DEFAULT, 'ÿ'), (2, X'5C27', '');
