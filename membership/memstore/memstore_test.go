package memstore_test

import (
	"testing"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/membership/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) membership.Store { return memstore.New() })
}
