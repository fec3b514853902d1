package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/cluster"
)

// Messages and replies: in memory that is used again (package plain), or in one piece with those of other calls.

type (
	// spareSays is what a message says: all of it, so that a message that changes is found.
	spareSays struct {
		ID, How int
		Text    string
		Parts   []string
	}
	spareAsk struct { // only an assignment is needed to copy it
		ID, How int
		Text    string
	}
	spareNow   spareSays // its method returns the reply
	spareQuery spareSays // its method takes a pointer, and promises to change nothing
	spareTell  spareAsk  //
	spareGot   struct {
		ID    int
		Text  string
		Parts []string
	} //
	spareFlat struct {
		ID   int
		Text string
	} // a reply like spareAsk
)

func spareText(id int) string { return "the text of " + strconv.Itoa(id) }

func spareParts(id int) []string { return []string{spareText(id), spareText(-id)} }

func saysOf(id, how int) spareSays { return spareSays{id, how, spareText(id), spareParts(id)} }

func askOf(id, how int) spareAsk { return spareAsk{id, how, spareText(id)} }

func gotOf(id int) spareGot { return spareGot{id, spareText(id), spareParts(id)} }

// memory is what code has kept of a call.
type memory struct {
	id    int
	says  func() (id int, text string, parts []string) // parts are nil where there are none
	write func()                                       // writes what is there again; the race detector looks. nil for nothing
}

// changed says what is there in place of what should be; "" if it is as it was.
func (m *memory) changed() string {
	if m.says == nil {
		return ""
	}
	id, text, parts := m.says()
	if id != m.id || text != spareText(m.id) || parts != nil && !slices.Equal(parts, spareParts(m.id)) {
		return fmt.Sprintf("%d says: %d, %q, %q", m.id, id, text, parts)
	}
	return ""
}

func rewrite[T any](p *T) { v := *p; *p = v }

// kept is the memory of a message. A method keeps a slice of it, and a pointer to the message if it has one.
func (m *spareSays) kept() memory {
	return memory{m.ID, func() (int, string, []string) { return m.ID, m.Text, m.Parts }, func() { rewrite(&m.ID); rewrite(&m.Text); rewrite(&m.Parts[0]) }}
}

func (m *spareAsk) kept() memory {
	return memory{m.ID, func() (int, string, []string) { return m.ID, m.Text, nil }, nil}
}

func (m *spareGot) kept(id int) memory {
	return memory{id, func() (int, string, []string) { return m.ID, m.Text, m.Parts }, func() { rewrite(&m.ID); rewrite(&m.Text); rewrite(&m.Parts[0]) }}
}

func (m *spareFlat) kept(id int) memory {
	return memory{id, func() (int, string, []string) { return m.ID, m.Text, nil }, func() { rewrite(m) }}
}

// bytesOf is the memory of a payload or a reply of bytes, which begin with the ID.
func bytesOf(id int, data []byte) memory {
	return memory{id, func() (int, string, []string) {
		is := -1
		_, _ = fmt.Sscanf(string(data), "%d", &is)
		return is, spareText(is), nil
	}, func() {
		for i := range data {
			rewrite(&data[i])
		}
		_ = append(data, "more"...) // behind its end is another's
	}}
}

// saidBy is what the bytes of a message say.
func saidBy(id int, data []byte) memory {
	return memory{id, func() (int, string, []string) {
		var m spareSays
		_ = json.Unmarshal(data, &m)
		return m.ID, m.Text, m.Parts
	}, nil}
}

// around keeps what it gets, and looks at some of it only when the call is over.
func (s *spares) around(ctx context.Context, in *cluster.Incoming, next func(context.Context) error) error {
	said := saidBy(0, in.Data())
	said.id, _, _ = said.says()
	s.keepMemory(said)
	err := next(ctx)
	if said.id%4 < 2 {
		in.Reply()
	}
	unless := func(data []byte, ok bool) memory {
		if !ok || len(data) == 0 { // of a call that has failed, or of a notification
			return said
		}
		return saidBy(said.id, data)
	}
	for _, again := range []func() memory{
		func() memory { return saidBy(said.id, in.Data()) },
		func() memory { return unless(in.Reply()) },
	} {
		s.keepMemory(memory{said.id, func() (int, string, []string) { m := again(); return m.says() }, nil})
	}
	return err
}

func (s *spares) keepMemory(m memory) {
	if m.write != nil {
		m.write()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.memories) < 64 {
		s.memories = append(s.memories, m)
	} else {
		s.memories[s.replaced%64] = m
	}
	s.replaced++
}

// remember looks at what was kept.
func (s *spares) remember(n int) {
	s.mu.Lock()
	var m memory
	if len(s.memories) > 0 {
		m = s.memories[n%len(s.memories)]
	}
	s.mu.Unlock()
	if is := m.changed(); is != "" {
		s.faulty("what was kept of call %s", is)
	}
}

// askAndKeep makes a request, keeps the reply, and returns its ID.
func askAndKeep[In, Got any](s *spares, ctx context.Context, key *cluster.ScopedClient, id int, m In, kept func(*Got, int) memory, opts []cluster.EnvelopeOption) (got int, err error) {
	var reply *Got
	if id%2 == 0 {
		reply, err = cluster.NewRequest[In, Got](key).Request(ctx, m, opts...)
	} else {
		var value Got
		value, err = clstr.Ask[Got](ctx, key, s.holds(m), opts...)
		reply = &value
	}
	if err != nil {
		return 0, err
	}
	is := kept(reply, id)
	got, _, _ = is.says()
	s.keepMemory(is)
	return got, nil
}

// holds keeps the interface that holds a message: nothing changes what is in it.
func (s *spares) holds(m any) any {
	says := func() spareAsk {
		if told, ok := m.(spareTell); ok {
			return spareAsk(told)
		}
		return m.(spareAsk)
	}
	switch m.(type) {
	case spareAsk, spareTell:
		s.keepMemory(memory{says().ID, func() (int, string, []string) { is := says(); return is.ID, is.Text, nil }, nil})
	}
	return m
}

// ways are the requests that a caller may make. The caller goes on with its message when it has the reply, or has left.
func (s *spares) ways(ctx context.Context, key *cluster.ScopedClient, id, how int, opts []cluster.EnvelopeOption) []func() (int, error) {
	m := saysOf(id, how)
	done := func(got int, err error) (int, error) {
		m.Parts[0], m.Parts[1] = "the caller's", "own"
		m.Parts[0], m.Parts[1] = spareText(id), spareText(-id)
		return got, err
	}
	return []func() (int, error){
		func() (int, error) { return askAndKeep(s, ctx, key, id, askOf(id, how), (*spareGot).kept, opts) },
		func() (int, error) {
			a := askOf(id, how)
			return askAndKeep(s, ctx, key, id, &a, (*spareGot).kept, opts)
		},
		func() (int, error) { return done(askAndKeep(s, ctx, key, id, spareNow(m), (*spareGot).kept, opts)) },
		func() (int, error) { return done(askAndKeep(s, ctx, key, id, (*spareNow)(&m), (*spareGot).kept, opts)) },
		func() (int, error) { return done(askAndKeep(s, ctx, key, id, spareQuery(m), (*spareFlat).kept, opts)) },
	}
}
