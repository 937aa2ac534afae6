package store

import (
	"database/sql"
	"encoding/json"
	"time"
)

// ms is how a time is stored.
func ms(t time.Time) int64 { return t.UnixMilli() }

func msOrNull(t *time.Time) sql.NullInt64 {
	if t == nil {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: true}
}

func timeOf(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func timeOrNil(ms sql.NullInt64) *time.Time {
	if !ms.Valid {
		return nil
	}
	t := timeOf(ms.Int64)
	return &t
}

// jsonOf writes one of our own types, which can't fail.
func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("store: a value can't be written as JSON: " + err.Error())
	}
	return string(b)
}

func fromJSON(text string, v any) error {
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), v)
}
