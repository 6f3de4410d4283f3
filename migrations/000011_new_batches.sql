-- Refuses a batch that was written as all new unless every delivery has a row of each kind: ids in the ledger, staging
-- rows, rows of the log. 'CF003': a defect of ours.
CREATE FUNCTION analytics.crm_assert_new(deliveries BIGINT, won BIGINT, staged BIGINT, logged BIGINT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
BEGIN
    IF won <> deliveries OR staged <> deliveries OR logged <> deliveries THEN
        RAISE EXCEPTION 'unbalanced: % deliveries, % ids won, % staged, % logged', deliveries, won, staged, logged
            USING ERRCODE = 'CF003';
    END IF;
    RETURN true;
END
$$;
