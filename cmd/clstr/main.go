// Signals and the exit code

// Command clstr looks at the clusters of this library that live on a NATS server, and
// talks to them. It shows the nodes, the owner of each shard and why, and what would
// move. It drains nodes, and sends requests to keys.
//
//	clstr nodes
//	clstr where user-123
//	clstr plan --remove node-a
//	clstr drain node-a
//	clstr request account acc-1 Deposit '{"Amount": 100}'
//	clstr state show account acc-1
//	clstr demo
//
// docs/cli.md is a short tour, and clstr help COMMAND explains a command. The packages
// of the library do not link this command.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	a := newApp(os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	exit := a.run(ctx, os.Args[1:])
	stop()
	os.Exit(exit)
}
