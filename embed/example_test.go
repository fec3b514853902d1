package embed_test

import (
	"context"
	"fmt"
	"os"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/embed"
)

// A service brings its NATS server along, and keeps the records in a folder.
func ExampleDir() {
	dir, err := os.MkdirTemp("", "clstr-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	svc, err := clstr.Open(ctx, clstr.Options{Name: "counters", On: embed.Dir(dir), Entities: clstr.Host(counters), Log: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer svc.Close(ctx)

	v, err := clstr.Ask[Value](ctx, svc.Key(counters, "visits"), Add{3})
	fmt.Println(v.Value, err)
	// Output: 3 <nil>
}
