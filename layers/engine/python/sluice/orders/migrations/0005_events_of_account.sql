-- What an account has missed is read by its own events alone, in the order of their transactions.

ALTER TABLE order_events ADD COLUMN account text;

-- The one change of what happened: it says besides whose it was.
ALTER TABLE order_events DISABLE TRIGGER order_events_append_only;
UPDATE order_events e SET account = o.account FROM orders o WHERE o.id = e.order_id;
ALTER TABLE order_events ENABLE TRIGGER order_events_append_only;
ALTER TABLE order_events ALTER COLUMN account SET NOT NULL;

-- By the order, whoever writes: the release before goes on for a while, and knows no such column.
CREATE FUNCTION take_account_of_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.account := (SELECT account FROM orders WHERE id = NEW.order_id);
    RETURN NEW;
END;
$$;

CREATE TRIGGER order_events_account BEFORE INSERT ON order_events
    FOR EACH ROW WHEN (NEW.account IS NULL) EXECUTE FUNCTION take_account_of_order();

CREATE INDEX order_events_of_account ON order_events (account, xid);
