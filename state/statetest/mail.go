// Events, mail, what is put aside; pages of all

package statetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/state"
)

// events stay, in order, when their key's record is replaced.
func events(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	token := open(t, s, 7, state.Owner{}, none)
	var want []string
	for n := range uint64(6) {
		c := set(token, "a", n+1, "snapshot")
		if n%2 == 0 {
			c.Record = nil
		}
		for i := range n {
			want = append(want, fmt.Sprint(n, ".", i))
			c.Events = append(c.Events, state.Event{Number: n + 1, Type: "Happened", Payload: []byte(want[len(want)-1])})
		}
		if n > 0 {
			must(t, s, c)
		}
		other := state.Change{Token: token, Kind: kind, Key: "b", Events: []state.Event{{Number: n + 1, Payload: []byte("other")}}}
		must(t, s, other)
	}
	es := read(t, s, token, at(state.Events, token, "a"))
	for i, e := range es {
		if i >= len(want) || string(e.Event.Payload) != want[i] || e.Event.Type != "Happened" {
			t.Errorf("event %d is %q of change %d", i, e.Event.Payload, e.Event.Number)
		}
	}
	if len(es) != len(want) {
		t.Fatalf("%d events, want %d", len(es), len(want))
	}
	rest := at(state.Events, token, "a")
	rest.After = es[4].Rev
	if es := read(t, s, token, rest); len(es) != len(want)-5 {
		t.Errorf("%d events after the fifth, want %d", len(es), len(want)-5)
	}
}

func payloads(es []state.Entry) (all []string) {
	for _, e := range es {
		all = append(all, string(e.Body()))
	}
	return all
}

// mail comes in the order in which one sender has sent it, and goes when it is dropped.
func mail(t *testing.T, stores func(bool) state.Store) {
	s, outside := stores(false), stores(false)
	token := open(t, s, 7, state.Owner{}, none)
	var want []string
	for n := range uint64(5) {
		c := set(token, "a", n+1, "x")
		for i := range 2 {
			want = append(want, fmt.Sprint(n, ".", i))
			c.Mail = append(c.Mail, state.Mail{Shard: 7, Kind: kind, Key: "b", Type: "Credit", Payload: []byte(want[len(want)-1])})
		}
		must(t, s, c)
	}
	sent := await(t, s, token, state.Mails, 7, len(want))
	if got := payloads(sent); !slices.Equal(got, want) {
		t.Errorf("mail %q, want %q", got, want)
	}
	var appended []string
	for i := range 5 {
		due := time.Time{}
		if i == 3 {
			due = time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)
		}
		m := state.Mail{Shard: 7, Kind: kind, Key: "c", Type: "Gift", Header: map[string]string{"trace": "é\n"}, Due: due, Payload: []byte(fmt.Sprint(i))}
		if rev, err := outside.Append(t.Context(), m); err != nil || rev == 0 {
			t.Fatalf("Append: %d, %v", rev, err)
		}
		appended = append(appended, fmt.Sprint(i))
	}
	inbox := await(t, s, token, state.Inbox, 7, len(appended))
	if got := payloads(inbox); !slices.Equal(got, appended) {
		t.Errorf("inbox %q, want %q", got, appended)
	}
	if m := inbox[3].Mail; m.Key != "c" || m.Shard != 7 || m.Type != "Gift" || m.Header["trace"] != "é\n" || m.Due.Year() != 2030 || m.Due.Nanosecond() != 6 {
		t.Errorf("mail %+v", m)
	}
	// What is done goes with the change of the key that has done it, or a while later.
	c := set(token, "b", 1, "took two")
	c.Record.Mailed = sent[1].Rev
	c.Drop = []state.Ref{{Place: state.Mails, Rev: sent[0].Rev}, {Place: state.Mails, Rev: sent[1].Rev}, {Place: state.Inbox, Rev: inbox[0].Rev}}
	must(t, s, c)
	for len(read(t, s, token, at(state.Mails, token, "b"))) != 8 || len(read(t, s, token, at(state.Inbox, token, "c"))) != 4 {
		<-time.After(5 * time.Millisecond)
	}
	if got := payloads(await(t, s, token, state.Mails, 7, len(want)-2)); !slices.Equal(got, want[2:]) {
		t.Errorf("mail %q, want %q", got, want[2:])
	}
	if r := record(t, s, token, "b"); r == nil || r.Mailed != sent[1].Rev {
		t.Errorf("the record of b: %+v", r)
	}
}

// appendOnce: mail with an ID is stored once of its key.
func appendOnce(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	token := open(t, s, 7, state.Owner{}, none)
	m := state.Mail{Shard: 7, Kind: kind, Key: "a", ID: "gift-1", Payload: []byte("5")}
	revs := make([]state.Rev, 8)
	var wg sync.WaitGroup
	for i := range revs {
		s := stores(false)
		wg.Go(func() {
			rev, err := s.Append(t.Context(), m)
			if err != nil {
				t.Errorf("Append: %v", err)
			}
			revs[i] = rev
		})
	}
	wg.Wait()
	if slices.Min(revs) != slices.Max(revs) {
		t.Errorf("one mail at revisions %d", revs)
	}
	others := []state.Mail{m, m, m, m, m}
	others[0].Key, others[1].Kind, others[2].ID, others[3].ID, others[4].ID = "b", "other", "gift-2", "", ""
	for _, m := range others {
		if _, err := s.Append(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if es := await(t, s, token, state.Inbox, 7, 6); len(es) != 6 {
		t.Errorf("%d mails, want 6: %q", len(es), payloads(es))
	}
	long := state.Mail{Shard: 7, Kind: strings.Repeat("k", state.MaxKind), Key: strings.Repeat("\xff", state.MaxKey), ID: strings.Repeat("i", 4<<10)}
	if _, err := s.Append(t.Context(), long); err != nil {
		t.Errorf("long names: %v", err)
	}
}

// aside: reminders are replaced as one, and parked mail is read by key.
func aside(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	token := open(t, s, 7, state.Owner{}, none)
	c := set(token, "a", 1, "x")
	c.Reminders = &[]state.Reminder{{Name: "one", Due: time.Unix(1, 0).UTC()}, {Name: "two", Due: time.Unix(2, 0).UTC(), Schedule: "@daily"}}
	c.Parked = []state.ParkedMail{{Mail: state.Mail{Shard: 7, Kind: kind, Key: "a", ID: "p1", Payload: []byte("bad")}, From: state.Ref{Place: state.Inbox, Rev: 9}, Attempts: 5, Error: "no\xff"}}
	must(t, s, c)
	must(t, s, set(token, "a", 2, "y")) // leaves them
	if es := read(t, s, token, at(state.Reminders, token, "a")); len(es) != 1 || len(es[0].Reminders) != 2 || es[0].Reminders[1].Schedule != "@daily" {
		t.Errorf("reminders %+v", es)
	}
	parked := read(t, s, token, at(state.Parked, token, "a"))
	if len(parked) != 1 || parked[0].Parked.Mail.ID != "p1" || parked[0].Parked.From.Rev != 9 || string(parked[0].Parked.Mail.Payload) != "bad" {
		t.Fatalf("parked %+v", parked)
	}
	c = set(token, "a", 3, "z")
	c.Reminders = &[]state.Reminder{}
	c.Drop = []state.Ref{{Place: state.Parked, Rev: parked[0].Rev}}
	must(t, s, c)
	if es := read(t, s, token, at(state.Reminders, token, "a")); len(es) != 0 && len(es[0].Reminders) != 0 {
		t.Errorf("no reminders are left, but %+v", es)
	}
	for len(read(t, s, token, at(state.Parked, token, "a"))) != 0 {
		<-time.After(5 * time.Millisecond)
	}
}

// pages: what does not fit into one answer comes in several, and nothing is missing.
func pages(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	token := open(t, s, 7, state.Owner{}, none)
	const keys = 23
	for n := range uint64(keys) {
		c := set(token, fmt.Sprint("k", n), 1, "x")
		c.Events = []state.Event{{Number: 1}}
		must(t, s, c)
	}
	must(t, s, set(token, "k3", 2, "newer"))
	await(t, s, none, state.Records, 7, keys)
	await(t, s, none, state.Events, 7, keys)
	for _, token := range []state.Token{token, none} { // an owner, and a tool
		for _, p := range []state.Place{state.Records, state.Events} {
			r := state.Range{Place: p, Shard: 7, Most: 5}
			seen := map[string]bool{}
			for more := true; more; {
				var es []state.Entry
				var err error
				if es, more, err = s.Read(t.Context(), token, r); err != nil || len(es) > 5 || more && len(es) == 0 {
					t.Fatalf("a page of %d, %v, %v", len(es), more, err)
				}
				for _, e := range es {
					if seen[e.Key] || e.Rev <= r.After {
						t.Errorf("%v of %s twice, or at %d after %d", p, e.Key, e.Rev, r.After)
					}
					seen[e.Key], r.After = true, e.Rev
				}
			}
			r.After, r.Most = 0, keys
			if es, more, err := s.Read(t.Context(), token, r); err != nil || len(es) != keys || more {
				t.Errorf("a page of all %d %v: %d, more: %v, %v", keys, p, len(es), more, err)
			}
			if len(seen) != keys {
				t.Errorf("%d %v in pages, want %d", len(seen), p, keys)
			}
		}
	}
}
