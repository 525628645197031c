-- Run by the server itself at every start, before it takes connections; passwords.sh sets the @…_password variables and,
-- while passwords are being changed, @…_other: the password that is accepted as well.
-- The server skips all that follows a failing statement and serves nevertheless: the last one leaves a mark, and
-- without it probe.sh holds the server back. One statement per line. Rights are taken away and given again, so that what stands here is all that a user has.
CREATE DATABASE IF NOT EXISTS `filewallball_db` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');
DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost';
-- Administration goes through the pod's own socket alone: no password opens it, and no connection from outside.
-- The system's account mysql (uid 999, which runs the server) is the user mysql.
-- Data of an older installation may lack root@localhost; what root made there still runs with root's rights.
CREATE USER IF NOT EXISTS root@localhost IDENTIFIED VIA unix_socket;
ALTER USER root@localhost IDENTIFIED VIA unix_socket;
GRANT ALL PRIVILEGES ON *.* TO root@localhost WITH GRANT OPTION;
CREATE USER IF NOT EXISTS mysql@localhost IDENTIFIED VIA unix_socket;
ALTER USER mysql@localhost IDENTIFIED VIA unix_socket;
GRANT ALL PRIVILEGES ON *.* TO mysql@localhost WITH GRANT OPTION;

CREATE USER IF NOT EXISTS 'filewallball_app'@'%';
EXECUTE IMMEDIATE CONCAT('ALTER USER ''filewallball_app''@''%'' IDENTIFIED VIA mysql_native_password USING PASSWORD(', QUOTE(@app_password), ')', IF(@app_other IS NULL, '', CONCAT(' OR mysql_native_password USING PASSWORD(', QUOTE(@app_other), ')')));
REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'filewallball_app'@'%';
-- The backslash: in a grant, a bare _ would stand for any character.
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, CREATE VIEW, SHOW VIEW, TRIGGER, EVENT, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE ROUTINE, ALTER ROUTINE, DELETE HISTORY ON `filewallball\_db`.* TO 'filewallball_app'@'%';

CREATE USER IF NOT EXISTS 'filewallball_backup'@'%';
EXECUTE IMMEDIATE CONCAT('ALTER USER ''filewallball_backup''@''%'' IDENTIFIED VIA mysql_native_password USING PASSWORD(', QUOTE(@backup_password), ')', IF(@backup_other IS NULL, '', CONCAT(' OR mysql_native_password USING PASSWORD(', QUOTE(@backup_other), ')')));
REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'filewallball_backup'@'%';
-- RELOAD: for the moment at which the snapshot starts (BACKUP STAGE). The others: for shipping the binary log.
GRANT RELOAD, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO 'filewallball_backup'@'%';
-- EXECUTE: without it the backup can't look at a view that calls a function.
-- LOCK TABLES: for tables that are in no snapshot.
GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE, LOCK TABLES ON `filewallball\_db`.* TO 'filewallball_backup'@'%';
-- Bodies of stored routines, for --routines.
GRANT SELECT ON mysql.proc TO 'filewallball_backup'@'%';
-- For the throw-away server: events and computed columns may name time zones.
GRANT SELECT ON mysql.time_zone TO 'filewallball_backup'@'%';
GRANT SELECT ON mysql.time_zone_leap_second TO 'filewallball_backup'@'%';
GRANT SELECT ON mysql.time_zone_name TO 'filewallball_backup'@'%';
GRANT SELECT ON mysql.time_zone_transition TO 'filewallball_backup'@'%';
GRANT SELECT ON mysql.time_zone_transition_type TO 'filewallball_backup'@'%';

CREATE USER IF NOT EXISTS 'filewallball_monitor'@'%';
EXECUTE IMMEDIATE CONCAT('ALTER USER ''filewallball_monitor''@''%'' IDENTIFIED VIA mysql_native_password USING PASSWORD(', QUOTE(@monitor_password), ')', IF(@monitor_other IS NULL, '', CONCAT(' OR mysql_native_password USING PASSWORD(', QUOTE(@monitor_other), ')')));
REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'filewallball_monitor'@'%';
GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.* TO 'filewallball_monitor'@'%';

-- A restore has it made for as long as it works (restoring.sh).
DROP USER IF EXISTS 'filewallball_restore'@'%';

-- For the rows deleted above. Only here, because after a FLUSH the server no longer logs the error of a statement.
FLUSH PRIVILEGES;
-- The mark; start.sh has removed that of an earlier start.
SELECT 1 INTO OUTFILE '/run/mysqld/users-set';
