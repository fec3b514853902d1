package howto_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/state.md

// Row is a row of a table, with a version that each write counts up.
type Row struct {
	Value   int64
	Version int64
}

// table stands for one of your database.
type table struct {
	mu   sync.Mutex
	rows map[string]Row
}

var errOther = errors.New("another has written the row")

func (t *table) read(_ context.Context, key string) (Row, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rows[key], nil
}

// write is UPDATE ... SET value = $2, version = version + 1 WHERE key = $1 AND version = $3.
func (t *table) write(_ context.Context, key string, row Row) (Row, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows[key].Version != row.Version {
		return Row{}, errOther
	}
	row.Version++
	t.rows[key] = row
	return row, nil
}

type (
	Meter struct {
		table *table
		row   Row
	}
	Count struct{ N int64 }
	Total struct{ Value int64 }
)

func (m *Meter) load(c *actor.Context) (err error) {
	m.row, err = m.table.read(c, c.Key()) // its error reaches the callers that wait
	return err
}

func (m *Meter) Count(c *actor.Context, msg Count) (Total, error) {
	row := m.row
	row.Value += msg.N
	row, err := m.table.write(c, c.Key(), row)
	if err != nil {
		c.Passivate() // whether it was written is not known: the next message loads what is there
		return Total{}, err
	}
	m.row = row
	return Total{row.Value}, nil
}

func meters(t *table) *actor.Definition[Meter] {
	return actor.Define("meter", func(string) *Meter { return &Meter{table: t} },
		actor.OnActivate((*Meter).load), actor.OnRequest((*Meter).Count))
}

func TestState(t *testing.T) {
	db := &table{rows: map[string]Row{}}
	def := meters(db)
	svc := testkit.Open(t, def)
	meter := svc.Key(def, "hall")
	count := func(want int64) error {
		t.Helper()
		total, err := clstr.Ask[Total](t.Context(), meter, Count{1})
		if err == nil && total.Value != want {
			t.Errorf("got %d, want %d", total.Value, want)
		}
		return err
	}
	if err := count(1); err != nil {
		t.Error(err)
	}
	db.rows["hall"] = Row{Value: 10, Version: 7} // somebody else: an owner that did not notice its end
	if err := count(0); err == nil {
		t.Error("it has written over the row of another")
	}
	if err := count(11); err != nil { // loaded anew
		t.Error(err)
	}
}
