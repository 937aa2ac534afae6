package database

import (
	"container/list"
	"context"
	"database/sql/driver"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxPrepared is how many statements a connection keeps prepared, those used
// last: what a sync repeats and what the pages ask for are fewer.
const maxPrepared = 300

// preparing opens SQLite connections that keep their statements prepared.
// Reading a statement costs SQLite more than most of ours cost to run, and the
// driver reads it anew for each time that it isn't given one that is prepared.
// database/sql can't keep statements for a pool of one connection: it would
// wait for the connection that the transaction holds.
type preparing struct{ driver.Connector }

func (p preparing) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &preparedConn{sqliteConn: conn.(sqliteConn), byText: map[string]*prepared{}, recent: list.New()}, nil
}

// sqliteConn is what the driver's connections can do.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// sqliteStmt is what its prepared statements can do.
type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// preparedConn is used by one goroutine at a time, as any driver.Conn.
type preparedConn struct {
	sqliteConn
	byText map[string]*prepared
	recent *list.List // of *prepared, the one used last in front
}

type prepared struct {
	sqliteStmt
	text  string
	place *list.Element // nil when it isn't kept
	busy  bool          // its rows are being read
}

// statement is a statement to run, prepared now unless it is at hand. The caller
// releases it.
func (c *preparedConn) statement(ctx context.Context, query string) (*prepared, error) {
	kept := c.byText[query]
	if kept != nil && !kept.busy {
		c.recent.MoveToFront(kept.place)
		kept.busy = true
		return kept, nil
	}
	made, err := c.PrepareContext(ctx, anonymous(query))
	if err != nil {
		return nil, err
	}
	p := &prepared{sqliteStmt: made.(sqliteStmt), text: query, busy: true}
	if kept == nil { // else it is run again while its rows are read: that one comes and goes
		c.byText[query] = p
		p.place = c.recent.PushFront(p)
		c.forget()
	}
	return p, nil
}

// forget closes the statements that weren't used for longest.
func (c *preparedConn) forget() {
	for e := c.recent.Back(); e != nil && c.recent.Len() > maxPrepared; {
		p, before := e.Value.(*prepared), e.Prev()
		if !p.busy {
			c.recent.Remove(e)
			delete(c.byText, p.text)
			p.Close()
		}
		e = before
	}
}

func (p *prepared) release() error {
	if p.busy = false; p.place == nil {
		return p.Close()
	}
	return nil
}

func (c *preparedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	p, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	defer p.release()
	return p.ExecContext(ctx, args)
}

func (c *preparedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	p, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := p.QueryContext(ctx, args)
	if err != nil {
		p.release()
		return nil, err
	}
	return preparedRows{rows, p}, nil
}

func (c *preparedConn) Close() error {
	for _, p := range c.byText {
		p.Close()
	}
	return c.sqliteConn.Close()
}

// Prepared are the texts of the statements that are kept. Tests learn from it, by
// way of sql.Conn's Raw, what was asked.
func (c *preparedConn) Prepared() []string { return slices.Sorted(maps.Keys(c.byText)) }

// preparedRows gives its statement back when it is closed.
type preparedRows struct {
	driver.Rows
	of *prepared
}

func (r preparedRows) Close() error {
	err := r.Rows.Close()
	if e := r.of.release(); err == nil {
		err = e
	}
	return err
}

// anonymous writes the parameters $1, $2, … as ? where each is there once and in
// this order. SQLite goes through the names of all to find one, in a statement
// for many rows thousands of times.
func anonymous(query string) string {
	var b strings.Builder
	next, quoted := 1, false
	for i := 0; i < len(query); i++ {
		switch c := query[i]; {
		case c == '\'':
			quoted = !quoted
			b.WriteByte(c)
		case c == '$' && !quoted:
			digits := i + 1
			for digits < len(query) && query[digits] >= '0' && query[digits] <= '9' {
				digits++
			}
			if n, err := strconv.Atoi(query[i+1 : digits]); err != nil || n != next {
				return query
			}
			next++
			b.WriteByte('?')
			i = digits - 1
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
