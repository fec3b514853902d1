package storetest_test

import (
	"testing"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/membership/storetest"
)

// As the package comment has it.
func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) membership.Store { return memstore.New() })
}
