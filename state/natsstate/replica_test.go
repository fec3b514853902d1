package natsstate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/state"
)

// replica answers direct gets by hand: each answer is what one replica knows.
type replica struct {
	fence, key, upTo uint64   // of an answer about the newest
	list             []uint64 // of one about what comes next
	none             bool     // it has no leader, and answers nothing else
}

// answers serves the answers one after the other, and counts the questions.
func answers(t *testing.T, replicas ...replica) (*reads, *int) {
	t.Helper()
	url := startNATS(t)
	server, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	asked := new(int)
	_, err = server.Subscribe(apiDirect+"clstr_state", func(m *nats.Msg) {
		var question struct {
			MultiLast []string `json:"multi_last"`
			NextFor   string   `json:"next_by_subj"`
		}
		if err := json.Unmarshal(m.Data, &question); err != nil {
			t.Error(err)
		}
		r := replicas[min(*asked, len(replicas)-1)]
		*asked++
		say := func(subject string, seq uint64) {
			answer := nats.NewMsg(m.Reply)
			answer.Header[hdrSubject] = []string{subject}
			answer.Header[hdrSequence] = []string{fmt.Sprint(seq)}
			answer.Header[hdrHead] = []string{fmt.Sprintf(`{"n":%d}`, seq)}
			_ = server.PublishMsg(answer)
		}
		if r.none {
			answer := nats.NewMsg(m.Reply)
			answer.Header["Status"] = []string{"503"}
			_ = server.PublishMsg(answer)
			return
		}
		if question.NextFor != "" {
			for _, seq := range r.list {
				say(question.NextFor, seq)
			}
		} else {
			say(question.MultiLast[0], r.fence)
			if r.key > 0 {
				say(question.MultiLast[1], r.key)
			}
		}
		end := nats.NewMsg(m.Reply)
		end.Header["Status"] = []string{"204"}
		end.Header[hdrUpTo] = []string{fmt.Sprint(r.upTo)}
		_ = server.PublishMsg(end)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Flush(); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	m, err := newMux(nc, new(natsdial.Gate))
	if err != nil {
		t.Fatal(err)
	}
	return &reads{names: namesOf(""), mux: m, floors: &floors{of: map[uint32]state.Rev{7: 9}}}, asked
}

// A replica that is behind is not believed: it is asked until one knows all that this store
// knows of.
func TestReplicasThatAreBehind(t *testing.T) {
	token := state.Token{Shard: 7, N: 2, Rev: 5}
	record := state.Range{Place: state.Records, Shard: 7, Kind: "k", Key: "a"}
	events := state.Range{Place: state.Events, Shard: 7, Kind: "k", Key: "a"}
	for name, c := range map[string]struct {
		r        state.Range
		replicas []replica
		want     []state.Rev
	}{
		"it is fresh":                 {record, []replica{{fence: 5, key: 8, upTo: 9}}, []state.Rev{8}},
		"it lacks an acknowledgement": {record, []replica{{fence: 5, key: 6, upTo: 8}, {fence: 5, key: 6, upTo: 7}, {fence: 5, key: 9, upTo: 9}}, []state.Rev{9}},
		"it lacks the fence":          {record, []replica{{fence: 3, key: 2, upTo: 99}, {fence: 5, key: 6, upTo: 99}}, []state.Rev{6}},
		"it lacks the key":            {record, []replica{{fence: 5, upTo: 8}, {fence: 5, key: 9, upTo: 9}}, []state.Rev{9}},
		"the key is not there":        {record, []replica{{fence: 5, upTo: 9}}, nil},
		"its list is short":           {events, []replica{{fence: 5, key: 9, upTo: 9}, {list: []uint64{6, 8}}, {fence: 5, key: 9, upTo: 9}, {list: []uint64{6, 8, 9}}}, []state.Rev{6, 8, 9}},
		"its list is empty":           {events, []replica{{fence: 5, key: 6, upTo: 9}, {}, {fence: 5, key: 6, upTo: 9}, {list: []uint64{6}}}, []state.Rev{6}},
	} {
		t.Run(name, func(t *testing.T) {
			r, asked := answers(t, c.replicas...)
			es, _, err := r.Read(t.Context(), token, c.r)
			var got []state.Rev
			for _, e := range es {
				got = append(got, e.Rev)
			}
			if err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) || *asked != len(c.replicas) {
				t.Errorf("read %v, %v after %d questions, want %v after %d", got, err, *asked, c.want, len(c.replicas))
			}
		})
	}
	r, _ := answers(t, replica{fence: 6, key: 8, upTo: 9})
	if _, _, err := r.Read(t.Context(), token, record); !errors.Is(err, state.ErrDeposed) {
		t.Errorf("a fence that is newer: %v", err)
	}
}

// TestToolsWaitForALeader: a scan, and a look at a fence, ask again while the stream has none.
func TestToolsWaitForALeader(t *testing.T) {
	r, asked := answers(t, replica{none: true}, replica{none: true}, replica{list: []uint64{6}})
	es, _, err := r.Scan(t.Context(), state.Range{Kind: "k", Key: "a"})
	if err != nil || len(es) != 1 || *asked != 3 {
		t.Errorf("read %v, %v after %d questions", es, err, *asked)
	}
	r, asked = answers(t, replica{none: true}, replica{upTo: 9})
	f := &fences{names: r.names, mux: r.mux, floors: r.floors}
	if _, _, err := f.Fence(t.Context(), 7); !errors.Is(err, state.ErrUnreadable) || *asked != 2 { // of the test's making
		t.Errorf("looked with %v after %d questions", err, *asked)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	r, _ = answers(t, replica{none: true})
	if _, _, err := r.Scan(ctx, state.Range{Kind: "k", Key: "a"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no leader comes: %v", err)
	}
}

// FuzzSubjects: a name makes one token, and no other name's.
func FuzzSubjects(f *testing.F) {
	for _, s := range []string{"a", "A_-9", "=YQ", "==", "a.b", "*", ">", "\x00", "ä", "clstr"} {
		f.Add(s, "k")
	}
	f.Fuzz(func(t *testing.T, kind, key string) {
		if state.CheckKey(kind, key) != nil {
			return
		}
		n, h := namesOf(""), nats.Header{}
		subject := n.of(state.Range{Place: state.Events, Shard: 7, Kind: kind, Key: key})
		setNames(h, kind, key)
		m := &nats.Msg{Header: h}
		h[hdrSubject], h[hdrHead] = []string{subject}, []string{`{"n":1}`}
		if e := n.entry(m); e.Err != nil || e.Kind != kind || e.Key != key || e.Shard != 7 || e.Place != state.Events {
			t.Fatalf("%q of %q is %s, and that is %+v", key, kind, subject, e)
		}
		if len(subject) > 400 {
			t.Fatalf("a subject of %d bytes", len(subject))
		}
	})
}
