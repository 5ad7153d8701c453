-- Notes of calls that are up are in the journal of calls.
DROP TABLE open_calls;
