-- A database that Deno 2.9.6 wrote, as SQLite's shell dumps it. The values: a V8 string, bytes, a KvU64, a V8 object
-- that expires in 2039, and a message due in 2026.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE migration_state(
  k integer not null primary key,
  version integer not null
);
INSERT INTO migration_state VALUES(0,3);
CREATE TABLE data_version (
  k integer primary key,
  version integer not null
, seq integer not null default 0);
INSERT INTO data_version VALUES(0,22,0);
CREATE TABLE kv (
  k blob primary key,
  v blob not null,
  v_encoding integer not null,
  version integer not null
, seq integer not null default 0, expiration_ms integer not null default -1) without rowid;
INSERT INTO kv VALUES(X'026100',X'ff10220474657874',1,6,0,-1);
INSERT INTO kv VALUES(X'0262001501',X'010203',3,7,0,-1);
INSERT INTO kv VALUES(X'02630021bff0000000000000',X'0700000000000000',2,14,0,-1);
INSERT INTO kv VALUES(X'026400',X'ff106f22017849027b01',1,18,0,2195268236556);
CREATE TABLE queue (
  ts integer not null,
  id text not null,
  data blob not null,
  backoff_schedule text not null,
  keys_if_undelivered blob not null,

  primary key (ts, id)
);
INSERT INTO queue VALUES(1795272236557,'23a3475e-7bb2-4470-aabf-1940a44f016f',X'ff106f22016d49027b01','[100,1000,5000,30000,60000]','[]');
CREATE TABLE queue_running(
  deadline integer not null,
  id text not null,
  data blob not null,
  backoff_schedule text not null,
  keys_if_undelivered blob not null,

  primary key (deadline, id)
);
CREATE INDEX kv_expiration_ms_idx on kv (expiration_ms);
COMMIT;
