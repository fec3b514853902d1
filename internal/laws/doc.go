// Package laws tests what the repository keeps as a whole: which package may import
// which other and why, what each package links, how files look, how large types are,
// and the exported names with their signatures. It has no code but tests.
//
//	go test ./internal/laws            # the laws
//	go test ./internal/laws -update    # write testdata anew after a change that was meant
//
// A new package needs a row in the table of imports (imports_test.go). The tests read
// every Go file of the module themselves, so the cache of go test never returns a
// result from before a change, even though some facts come from the go command.
package laws
