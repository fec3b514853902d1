package actor_test

import (
	"context"
	"fmt"
	"slices"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// Board is an entity that readers wait at for what is posted next.
type Board struct {
	version int
	text    string
	readers []actor.Answer[News]
}

// Watch asks for another version than the one that the reader has seen.
type Watch struct{ Seen int }

type Post struct{ Text string }

type News struct {
	Version int
	Text    string
}

func (b *Board) Watch(_ *actor.Context, m Watch, a actor.Answer[News]) error {
	if m.Seen != b.version {
		a.Reply(News{b.version, b.text})
		return nil
	}
	a.NoEffect() // in a planned move the reader goes on to wait at the next owner
	b.readers = slices.DeleteFunc(b.readers, func(r actor.Answer[News]) bool {
		return r.Context().Err() != nil // answered, handed back, or out of time
	})
	b.readers = append(b.readers, a)
	return nil
}

func (b *Board) Post(_ *actor.Context, m Post) (News, error) {
	b.version, b.text = b.version+1, m.Text
	news := News{b.version, b.text}
	for _, r := range b.readers {
		r.Reply(news)
	}
	b.readers = nil
	return news, nil
}

// A method may answer later, here from the turn of another message: a long poll. The
// board takes messages while readers wait. A reader that comes too late for a post is
// answered at once, because it says which version it has seen.
func ExampleOnRequestLater() {
	boards := actor.Define("board", func(string) *Board { return &Board{} },
		actor.OnRequestLater((*Board).Watch),
		actor.OnRequest((*Board).Post),
	)
	client, stop := startNode(cluster.NewActorHandler(boards.New))
	defer stop()

	ctx := context.Background()
	board := client.Key("lobby")
	heard := make(chan News)
	go func() { // ends with what it hears
		news, err := cluster.NewRequest[Watch, News](board).Request(ctx, Watch{Seen: 0})
		if err != nil {
			fmt.Println(err)
		}
		heard <- *news
	}()
	if _, err := cluster.NewRequest[Post, News](board).Request(ctx, Post{"doors open at eight"}); err != nil {
		fmt.Println(err)
	}
	news := <-heard
	fmt.Println(news.Version, news.Text)
	// Output: 1 doors open at eight
}
