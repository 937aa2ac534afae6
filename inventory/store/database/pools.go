package database

import "database/sql"

// Pools says how busy the connections are, by what they are for.
func (d *DB) Pools() map[string]sql.DBStats {
	if d.Postgres() {
		return map[string]sql.DBStats{"all": d.Reader.Stats()}
	}
	return map[string]sql.DBStats{"read": d.Reader.Stats(), "sync": d.bulk.Stats(), "decide": d.durable.Stats()}
}
