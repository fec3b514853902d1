package state

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// TestHeadOfCommands: the head of a record with commands is what package json makes of it.
func TestHeadOfCommands(t *testing.T) {
	bytes := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		return b
	}
	for n := range 200 {
		r := Record{Number: uint64(n) + 1, Type: "json", TTL: time.Duration(n%2) * time.Hour, Deleted: n%3 == 0}
		for i := range n % 70 {
			c := Command{ID: bytes(i%20 + 1), Sum: bytes(8), Reply: bytes(i % 30)}
			if n%10 == 9 { // not all as a key makes them
				c.At = time.Unix(int64(i), 0).UTC()
			}
			if len(c.Reply) == 0 {
				c.Reply = nil
			}
			r.Commands = append(r.Commands, c)
		}
		e := Entry{Place: Records, Record: &r}
		head := e.Head()
		want, err := json.Marshal(&r)
		if err != nil {
			t.Fatal(err)
		}
		var got, std Record
		if err := json.Unmarshal(head, &got); err != nil {
			t.Fatalf("%s: %v", head, err)
		}
		if err := json.Unmarshal(want, &std); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, std) || len(head) != len(want) {
			t.Fatalf("got  %s\nwant %s", head, want)
		}
	}
}

// TestHeadOfRecord: with any of its fields set, the head of a record is what package json makes of it.
func TestHeadOfRecord(t *testing.T) {
	for set := range 1 << 10 {
		r := Record{Number: uint64(set) + 1, Type: [...]string{"json", "protobuf", "", `a"<`}[set%4]}
		for i, f := range []func(){
			func() { r.Epoch = 1<<64 - 1 },
			func() { r.Version = 3 },
			func() { r.Deleted = true },
			func() { r.Spilled = time.Unix(7, 0).UTC() },
			func() { r.Mailed = 1<<64 - 1 },
			func() { r.Taken = 9 },
			func() { r.Failing = &Failing{Attempts: 2} },
			func() { r.TTL = time.Hour },
		} {
			if set>>(i+2)&1 == 1 {
				f()
			}
		}
		e := Entry{Place: Records, Record: &r}
		want, err := json.Marshal(&r)
		if head := e.Head(); err != nil || string(head) != string(want) {
			t.Fatalf("%s, want %s, %v", head, want, err)
		}
	}
}

// TestHeadKnowsAllFields fails when a record gets a field that its head must have.
func TestHeadKnowsAllFields(t *testing.T) {
	if n := reflect.TypeFor[Record]().NumField(); n != 12 {
		t.Errorf("a record has %d fields: see appendRecord, and the test above", n)
	}
}
