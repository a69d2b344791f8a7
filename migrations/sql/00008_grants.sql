-- Who may do what. PUBLIC may do nothing; the application's role needs nothing
-- to have its writes captured.

-- +goose Up

-- The daemon: reads the log and the watches, moves the doorbell, rotates, sings.
-- Nothing of the application's.
-- +goose StatementBegin
CREATE FUNCTION rowcast.grant_daemon(role regrole) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA rowcast TO %s', role);
  EXECUTE format('GRANT SELECT ON rowcast.log, rowcast.watch, rowcast.watches, rowcast.mark, rowcast.epoch, rowcast.schema_version TO %s', role);
  -- A reader that knows the turn reads from its slot only, by name.
  EXECUTE format('GRANT SELECT ON rowcast.log_0, rowcast.log_1, rowcast.log_2, rowcast.log_3, rowcast.log_4, rowcast.log_5, rowcast.log_6, rowcast.log_7 TO %s', role);
  EXECUTE format('GRANT SELECT, UPDATE ON SEQUENCE rowcast.doorbell TO %s', role);
  EXECUTE format('GRANT SELECT ON SEQUENCE rowcast.log_id_seq TO %s', role);
  EXECUTE format('GRANT EXECUTE ON FUNCTION rowcast.rotate(pg_snapshot), rowcast.new_epoch(text), rowcast.current_identity(),'
                 ' rowcast.turn(), rowcast.retention_ms(), rowcast.log_bytes(), rowcast.state_of(int), rowcast.sing(text, bigint) TO %s', role);
END $$;
-- +goose StatementEnd

-- Who may emit may send any event to any topic.
-- +goose StatementBegin
CREATE FUNCTION rowcast.grant_emit(role regrole) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA rowcast TO %s', role);
  EXECUTE format('GRANT EXECUTE ON FUNCTION rowcast.emit(text, jsonb, text[]) TO %s', role);
END $$;
-- +goose StatementEnd

-- Who may revoke may put anybody out of any topic.
-- +goose StatementBegin
CREATE FUNCTION rowcast.grant_revoke(role regrole) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA rowcast TO %s', role);
  EXECUTE format('GRANT EXECUTE ON FUNCTION rowcast.revoke(text, text) TO %s', role);
END $$;
-- +goose StatementEnd

-- Last, because a new function is everybody's until this is said.
REVOKE ALL ON ALL TABLES IN SCHEMA rowcast FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA rowcast FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA rowcast FROM PUBLIC;

-- +goose Down
DROP FUNCTION rowcast.grant_revoke(regrole);
DROP FUNCTION rowcast.grant_emit(regrole);
DROP FUNCTION rowcast.grant_daemon(regrole);
