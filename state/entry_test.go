package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/state"
)

// What was stored is read as it was, and what else may stand there is an error that names it.
func FuzzParse(f *testing.F) {
	for p := range state.Places {
		for _, head := range []string{``, `{}`, `null`, `[]`, `{"n":1}`, `{"n":1,"v":2,"ids":[{"id":"AA==","sum":"","r":"eA=="}],"ttl":1000000000}`, `{"mail":{"id":"x"},"attempts":3}`, `[{"name":"a","due":"2030-01-01T00:00:00Z"}]`, `{"n":-1}`, `{"n":1e99}`} {
			f.Add(uint8(p), []byte(head), []byte("body"))
		}
	}
	f.Fuzz(func(t *testing.T, place uint8, head, body []byte) {
		e := state.Entry{Place: state.Place(place), Kind: "account", Key: "alice", Rev: 7}
		e.Parse(head, body)
		if e.Err != nil {
			if !errors.Is(e.Err, state.ErrUnreadable) || e.Record != nil || e.Mail != nil || e.Event != nil {
				t.Fatalf("%q: %+v", head, e)
			}
			return
		}
		again := state.Entry{Place: e.Place, Kind: e.Kind, Key: e.Key, Rev: e.Rev}
		again.Parse(e.Head(), e.Body())
		if again.Err != nil || !bytes.Equal(again.Head(), e.Head()) || !bytes.Equal(again.Body(), e.Body()) {
			t.Fatalf("%q reads as %s, and that as %s: %v", head, e.Head(), again.Head(), again.Err)
		}
	})
}

// The head of a record is part of what is stored: fields may be added, and keep their names.
func TestHeadsAreStable(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	c := state.Change{
		Token: state.Token{Shard: 1, N: 1, Epoch: 3}, Kind: "k", Key: "a",
		Record: &state.Record{Number: 1, Version: 2, Type: "json", Deleted: true, Spilled: at, Mailed: 4, Taken: 5, TTL: time.Second,
			Commands: []state.Command{{ID: []byte("i"), Sum: []byte("s"), At: at, Reply: []byte("r")}},
			Failing:  &state.Failing{Mail: state.Ref{Place: state.Inbox, Rev: 6}, Attempts: 7, Error: "e"}},
		Events:    []state.Event{{Number: 1, Type: "t"}},
		Mail:      []state.Mail{{Kind: "k", Key: "b", ID: "i", Type: "t", Header: map[string]string{"h": "v"}, Due: at}},
		Reminders: &[]state.Reminder{{Name: "n", Due: at, Schedule: "s", Missed: "m", Type: "t", Payload: []byte("p")}},
		Parked:    []state.ParkedMail{{Mail: state.Mail{Shard: 1, Kind: "k", Key: "a", ID: "i"}, From: state.Ref{Place: state.Mails, Rev: 8}, Attempts: 9, Error: "e"}},
		Spill:     &state.Spill{Commands: []state.Command{{ID: []byte("i"), Sum: []byte("s")}}, TTL: time.Minute},
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, e := range state.Entries(c) {
		got += fmt.Sprintf("%v %s\n", e.Place, e.Head())
	}
	const want = `records {"n":1,"e":3,"v":2,"t":"json","deleted":true,"ids":[{"id":"aQ==","sum":"cw==","at":"2030-01-02T03:04:05Z","r":"cg=="}],"spilled":"2030-01-02T03:04:05Z","mailed":4,"taken":5,"failing":{"mail":{"place":3,"rev":6},"attempts":7,"err":"e"},"ttl":1000000000}
events {"n":1,"e":3,"t":"t"}
mails {"id":"i","t":"t","h":{"h":"v"},"due":"2030-01-02T03:04:05Z"}
reminders [{"name":"n","due":"2030-01-02T03:04:05Z","schedule":"s","missed":"m","t":"t","payload":"cA=="}]
parked {"mail":{"id":"i"},"from":{"place":2,"rev":8},"attempts":9,"err":"e"}
spilled [{"id":"aQ==","sum":"cw=="}]
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Refused knows the errors after which surely nothing was stored.
func TestRefused(t *testing.T) {
	for _, err := range []error{state.ErrDeposed, state.ErrFull, state.ErrTooLarge, state.ErrInvalid, state.ErrRejected, state.ErrClosed, state.ErrOtherCluster, state.ErrOtherLayout} {
		if !state.Refused(fmt.Errorf("wrapped: %w", err)) {
			t.Errorf("%v leaves a doubt", err)
		}
	}
	for _, err := range []error{nil, errors.New("timeout"), state.ErrUnreadable} {
		if state.Refused(err) {
			t.Errorf("%v leaves none", err)
		}
	}
}
