package main

import "github.com/clstr-go/clstr/actor"

// Visit is the request, and Visited the reply: where the key lives, and how many
// requests it has had.
type Visit struct{}

type Visited struct {
	Node  string
	Count int
}

// Place is what lives at a key. Its methods run one at a time, so that it needs
// no lock.
type Place struct {
	node  string
	count int
}

func (p *Place) Visit(*actor.Context, Visit) (Visited, error) {
	p.count++
	return Visited{p.node, p.count}, nil
}

// places defines the entity for one node, so that it can say where it is.
func places(node string) *actor.Definition[Place] {
	return actor.Define("place", func(string) *Place { return &Place{node: node} }, actor.OnRequest((*Place).Visit))
}
