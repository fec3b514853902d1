package cluster_test

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/plain/plaintest"
	"github.com/clstr-go/clstr/state/memstate"
)

// Messages that have all that two values can share.
type (
	page struct {
		Words []string
		Marks map[string]*mark
		Part  *mark
		Raw   []byte
		hide  []int
	}
	mark struct{ At []int }

	keepPage  page // by value
	tellPage  page
	laterPage page
)

func newPage() page {
	return page{[]string{"a", "b"}, map[string]*mark{"x": {[]int{1}}}, &mark{[]int{2}}, []byte("raw"), []int{1}}
}

// scribble changes all that a page holds.
func (p *page) scribble() {
	p.Words[0], p.Marks["x"].At[0], p.Part.At[0], p.Raw[0] = "changed", 9, 9, 'X'
	p.Marks["y"] = nil
}

// folder keeps what it is given and what it gives.
type folder struct {
	N    int
	kept *keptPages
}

type keptPages struct {
	late sync.WaitGroup // goroutines that answer
	mu   sync.Mutex
	all  []any
}

func (k *keptPages) add(p ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = append(k.all, p...)
}

func (s *folder) keep(_ *actor.Context, in *page) (*page, error) {
	s.kept.add(in)
	return in, nil
}

func (s *folder) keepValue(_ *actor.Context, in keepPage) (keepPage, error) {
	s.kept.add(&in)
	return in, nil
}

func (s *folder) tell(_ *actor.Context, in tellPage) error {
	s.kept.add(&in)
	(*page)(&in).scribble()
	return nil
}

func (s *folder) later(_ *actor.Context, in *laterPage, a actor.Answer[*page]) error {
	s.kept.add(in)
	out := new(newPage())
	s.kept.add(out)
	s.kept.late.Go(func() { // the test waits for it
		a.Reply(out)
		out.scribble()
		(*page)(in).scribble()
	})
	return nil
}

func (s *folder) proto(_ *actor.Context, in *structpb.Struct) (*structpb.Struct, error) {
	s.kept.add(in)
	return in, nil
}

func folders(kept *keptPages, options ...actor.Option) *actor.Definition[folder] {
	return actor.Define("folder", func(string) *folder { return &folder{kept: kept} }, append(options,
		actor.OnRequest((*folder).keep), actor.OnRequest((*folder).keepValue), actor.OnNotify((*folder).tell),
		actor.OnRequestLater((*folder).later), actor.OnRequest((*folder).proto))...)
}

// TestNoSharedMemory: what a caller sends and gets, what a handler gets and gives, and what an Around sees are five different things.
func TestNoSharedMemory(t *testing.T) { inOneProcess(t, noSharedMemory) }

func noSharedMemory(t *testing.T, open func() cluster.Transport) {
	var looked []*cluster.Incoming
	for name, around := range map[string]cluster.Around{
		"alone": nil,
		"around": func(ctx context.Context, in *cluster.Incoming, next func(context.Context) error) error {
			before := bytes.Clone(in.Data())
			err := next(ctx)
			if !bytes.Equal(in.Data(), before) {
				t.Errorf("the bytes of a %s have changed from %s to %s", in.Type(), before, in.Data())
			}
			if reply, ok := in.Reply(); ok {
				in.OnAnswer(func(error) { // the caller may have changed its reply
					if again, _ := in.Reply(); !bytes.Equal(again, reply) {
						t.Errorf("the reply has changed")
					}
				})
			}
			return err
		},
		"around that looks later": func(ctx context.Context, in *cluster.Incoming, next func(context.Context) error) error {
			looked = append(looked, in)
			return next(ctx)
		},
	} {
		for _, durable := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " durable ", durable), func(t *testing.T) {
				kept := &keptPages{}
				var options []actor.Option
				if durable {
					options = append(options, actor.Durable(actor.Persistence{}))
				}
				client := serve(t, nil, func(n *cluster.NodeOptions, c *cluster.ClientOptions) {
					tr := open()
					n.Transport, c.Transport = tr, tr
					n.Around, n.State = around, memstate.New()
					n.Kinds = map[string]cluster.ServerHandlerFunc{"folder": handlers.NewActorHandler(folders(kept, options...).New)}
				})
				shareNothing(t, client.Kind("folder").Key("k"), kept)
				for _, in := range looked { // all ends have changed what they have
					reply, _ := in.Reply()
					for _, data := range [][]byte{in.Data(), reply} {
						if bytes.Contains(data, []byte("changed")) {
							t.Errorf("a %s: %s", in.Type(), data)
						}
					}
				}
				looked = nil
			})
		}
	}
}

func shareNothing(t *testing.T, key *cluster.ScopedClient, kept *keptPages) {
	ctx := t.Context()
	var ends []any // what the caller has
	want := newPage()
	want.hide = nil
	got := func(reply *page, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(*reply, want) {
			t.Errorf("got %+v, %v", reply, err)
			return
		}
		ends = append(ends, reply)
		reply.scribble()
	}
	for range 2 {
		sent := new(newPage())
		ends = append(ends, sent)
		got(cluster.NewRequest[*page, page](key).Request(ctx, sent))
		sent.scribble()

		sent = new(newPage())
		ends = append(ends, sent)
		if reply, err := cluster.NewRequest[any, *page](key).Request(ctx, sent); err != nil {
			t.Error(err)
		} else {
			got(*reply, nil)
		}

		value := keepPage(newPage())
		ends = append(ends, &value)
		back, err := cluster.NewRequest[keepPage, keepPage](key).Request(ctx, value)
		got((*page)(back), err)
		(*page)(&value).scribble()

		later := laterPage(newPage())
		ends = append(ends, &later)
		got(cluster.NewRequest[laterPage, page](key).Request(ctx, later))
		(*page)(&later).scribble()

		note := tellPage(newPage())
		ends = append(ends, &note)
		if err := key.Notify(ctx, note); err != nil {
			t.Error(err)
		}
		(*page)(&note).scribble()

		message, _ := structpb.NewStruct(map[string]any{"a": []any{"b"}})
		ends = append(ends, message)
		answer, err := cluster.NewRequest[*structpb.Struct, *structpb.Struct](key).Request(ctx, message)
		if err != nil || !proto.Equal(*answer, message) {
			t.Errorf("got %v, %v", answer, err)
		}
		ends = append(ends, *answer)
		(*answer).Fields["a"], message.Fields["b"] = nil, nil
	}
	kept.late.Wait()
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if len(kept.all) < 14 {
		t.Errorf("the entity has had %d", len(kept.all))
	}
	for i, a := range kept.all {
		for _, b := range ends {
			if where := plaintest.Shared(a, b); where != "" {
				t.Errorf("the entity's %T and the caller's %T share %s", a, b, where)
			}
		}
		for _, b := range kept.all[i+1:] {
			if where := plaintest.Shared(a, b); where != "" {
				t.Errorf("two messages of the entity, a %T and a %T, share %s", a, b, where)
			}
		}
	}
}
