-- One of everything that a dump could lose. Children sort before their parents.
SET FOREIGN_KEY_CHECKS = 0;
CREATE TABLE a_child (id INT PRIMARY KEY, parent INT NOT NULL, note TEXT,
  FOREIGN KEY (parent) REFERENCES z_parent (id) ON DELETE CASCADE);
CREATE TABLE z_parent (id INT PRIMARY KEY, name VARCHAR(50));
CREATE TABLE `이상한 ``table-1` (`열 ``1` INT PRIMARY KEY, `값` VARCHAR(20) DEFAULT '기본');
CREATE TABLE kinds (
  id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
  korean VARCHAR(100), latin VARCHAR(20) CHARACTER SET latin1,
  raw LONGBLOB, fixed BINARY(4), bits BIT(11), doc JSON, place POINT,
  money DECIMAL(30,10), real_ DOUBLE, flag BOOLEAN,
  day DATE, at DATETIME(6), stamp TIMESTAMP(3) NULL, span TIME(2), year_ YEAR,
  choice ENUM('예','아니오'), many SET('a','b','c'),
  doubled INT AS (id * 2) VIRTUAL, summed DECIMAL(32,10) AS (money + 1) STORED,
  hidden INT INVISIBLE DEFAULT 7,
  KEY (korean(10)), UNIQUE KEY (fixed), FULLTEXT KEY (korean), CHECK (flag IN (0, 1)));
CREATE TABLE parted (id INT, at DATE, PRIMARY KEY (id, at)) PARTITION BY RANGE (YEAR(at))
  (PARTITION old VALUES LESS THAN (2020), PARTITION later VALUES LESS THAN MAXVALUE);
CREATE TABLE kept (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING;
CREATE TABLE nothing_in_it (id INT PRIMARY KEY, t TEXT);
CREATE TABLE squeezed (id INT PRIMARY KEY, t TEXT) ROW_FORMAT=COMPRESSED;
CREATE SEQUENCE numbers START WITH 5 INCREMENT BY 3;
CREATE VIEW a_view AS SELECT id, korean FROM kinds WHERE flag = 1;
CREATE VIEW a_view_of_a_view AS SELECT COUNT(*) AS n FROM a_view;
CREATE FUNCTION 두배(x INT) RETURNS INT DETERMINISTIC RETURN x * 2;
CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 03:00:00' DISABLE
  DO DELETE FROM a_child WHERE id < 0;

INSERT INTO z_parent SELECT seq, CONCAT('부모 ', seq) FROM seq_1_to_50;
INSERT INTO a_child SELECT seq, 1 + seq % 50, '메모' FROM seq_1_to_200;
CREATE TRIGGER mark BEFORE INSERT ON a_child FOR EACH ROW SET NEW.note = CONCAT('✓', NEW.note);
INSERT INTO `이상한 ``table-1` VALUES (1, '값'), (2, DEFAULT);
INSERT INTO parted VALUES (1, '2019-05-05'), (2, '2024-02-29');
INSERT INTO kept VALUES (1, 1), (2, 1);
UPDATE kept SET v = 2 WHERE id = 1;
DELETE FROM kept WHERE id = 2;
INSERT INTO squeezed SELECT seq, REPEAT('압축', 300) FROM seq_1_to_100;
SELECT NEXTVAL(numbers);
INSERT INTO kinds SET
  korean = '안녕하세요 🧱⚽👩‍👩‍👧', latin = 'é',
  raw = (SELECT UNHEX(GROUP_CONCAT(LPAD(HEX(seq), 2, '0') ORDER BY seq SEPARATOR '')) FROM seq_0_to_255),
  fixed = 0x00010203, bits = b'10101010101', doc = '{"키": [1, null, "\\n"]}', place = POINT(1.5, -2),
  money = -12345678901234567890.0123456789, real_ = 0.1, flag = 1,
  day = '9999-12-31', at = '2024-02-29 23:59:59.999999', stamp = '2038-01-19 03:14:07.999',
  span = '-838:59:58.99', year_ = 2155, choice = '아니오', many = 'a,c', hidden = NULL;
INSERT INTO kinds (korean, raw, fixed) VALUES (NULL, NULL, NULL);
INSERT INTO kinds (korean, raw, fixed, flag) VALUES
  ('', '', '', 0), ('\0\r\n\Z\\%_''"`', '\0', 'x', 1);
