package howto_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/answer-later.md

type (
	Room struct {
		lines   []string
		readers []reader
	}
	reader struct {
		seen  int
		since time.Time
		a     actor.Answer[Lines]
	}
	Say    struct{ Line string }
	Listen struct{ Seen int } // how many lines the reader has
	Lines  struct {
		Seen  int
		Lines []string // none: nothing new, ask again
	}
)

// Listen answers at once if there is something new, and else with the next line.
func (r *Room) Listen(_ *actor.Context, m Listen, a actor.Answer[Lines]) error {
	if m.Seen < 0 || m.Seen > len(r.lines) {
		m.Seen = 0 // the reader has seen what this room does not know: it begins anew
	}
	if m.Seen < len(r.lines) {
		a.Reply(r.after(m.Seen))
		return nil
	}
	a.NoEffect() // in a planned move the reader waits on at the next owner
	r.readers = append(r.readers, reader{m.Seen, time.Now(), a})
	return nil
}

func (r *Room) Say(_ *actor.Context, m Say) (Lines, error) {
	r.lines = append(r.lines, m.Line)
	for _, reader := range r.readers {
		reader.a.Reply(r.after(reader.seen))
	}
	r.readers = nil
	return Lines{Seen: len(r.lines)}, nil
}

// tick ends polls before their callers' deadlines do.
func (r *Room) tick(*actor.Context) error {
	r.readers = slices.DeleteFunc(r.readers, func(waits reader) bool {
		if time.Since(waits.since) >= 20*time.Second {
			waits.a.Reply(Lines{Seen: waits.seen})
		}
		return waits.a.Context().Err() != nil // answered, handed back, or out of time
	})
	return nil
}

func (r *Room) after(seen int) Lines { return Lines{len(r.lines), r.lines[seen:]} }

var rooms = actor.Define("room", func(string) *Room { return &Room{} },
	actor.OnRequestLater((*Room).Listen),
	actor.OnRequest((*Room).Say),
	actor.Every(time.Second, (*Room).tick),
)

// events is the HTTP front: one long poll after the other, as server-sent events.
func events(svc *clstr.Service) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flush := http.NewResponseController(w)
		_ = flush.Flush() // the browser is connected; that it has gone is noticed below
		room, seen := svc.Key(rooms, r.PathValue("room")), 0
		fmt.Sscan(r.Header.Get("Last-Event-ID"), &seen) // a browser that comes again says what it has
		for r.Context().Err() == nil {
			ctx, cancel := context.WithTimeout(r.Context(), 25*time.Second)
			news, err := clstr.Ask[Lines](ctx, room, Listen{seen})
			cancel()
			if err != nil {
				if !cluster.OutcomeOf(err).NeverRan() && !errors.Is(err, context.DeadlineExceeded) {
					return // the browser comes again by itself
				}
				select { // a node has died: others take its keys soon
				case <-time.After(time.Second):
				case <-r.Context().Done():
				}
				continue
			}
			seen = news.Seen - len(news.Lines)
			for _, line := range news.Lines {
				seen++
				data, _ := json.Marshal(line) // a string
				fmt.Fprintf(w, "id: %d\ndata: %s\n\n", seen, data)
			}
			if flush.Flush() != nil {
				return
			}
		}
	}
}

func TestEvents(t *testing.T) {
	svc := testkit.Open(t, rooms)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rooms/{room}", events(svc))
	front := httptest.NewServer(mux)
	defer front.Close()
	res, err := http.Get(front.URL + "/rooms/lobby")
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for i, line := range []string{"doors open at eight", "bring a coat"} {
		if _, err := clstr.Ask[Lines](t.Context(), svc.Key(rooms, "lobby"), Say{line}); err != nil {
			t.Fatal(err)
		}
		var event []string
		for len(event) < 2 && lines.Scan() {
			if lines.Text() != "" {
				event = append(event, lines.Text())
			}
		}
		if want := fmt.Sprintf("id: %d data: %q", i+1, line); strings.Join(event, " ") != want {
			t.Errorf("got %q, want %q", event, want)
		}
	}
}

// TestEventsSayWhatWasSeen has a browser that is behind: each line has a number of its
// own, so that one whose connection breaks between two lines comes again at the right one.
func TestEventsSayWhatWasSeen(t *testing.T) {
	svc := testkit.Open(t, rooms)
	for _, line := range []string{"doors open at eight", "bring a coat", "no dogs"} {
		if _, err := clstr.Ask[Lines](t.Context(), svc.Key(rooms, "lobby"), Say{line}); err != nil {
			t.Fatal(err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rooms/{room}", events(svc))
	front := httptest.NewServer(mux)
	defer front.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front.URL+"/rooms/lobby", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", "1")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	var ids []string
	for lines := bufio.NewScanner(res.Body); len(ids) < 2 && lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			ids = append(ids, id)
		}
	}
	if !slices.Equal(ids, []string{"2", "3"}) {
		t.Errorf("the lines have the numbers %v", ids)
	}
}

// TestRoomThatHasForgotten moves a room that saves nothing: its readers have seen more
// than it knows, and hear what is said next.
func TestRoomThatHasForgotten(t *testing.T) {
	testkit.Alone(t, rooms.New, "lobby", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		for _, line := range []string{"doors open at eight", "bring a coat"} {
			if _, err := testkit.Ask[Lines](e, Say{line}); err != nil {
				t.Fatal(err)
			}
		}
		heard := make(chan Lines)
		go func() { // ends with its answer
			news, err := testkit.Ask[Lines](e, Listen{2})
			if err != nil {
				t.Error(err)
			}
			heard <- news
		}()
		e.Wait()
		e.Drain()
		e.Advance(2 * time.Second) // the reader has come again
		if _, err := testkit.Ask[Lines](e, Say{"no dogs"}); err != nil {
			t.Error(err)
		}
		if news := <-heard; news.Seen != 1 || !slices.Equal(news.Lines, []string{"no dogs"}) {
			t.Errorf("the reader heard %+v", news)
		}
	})
}
