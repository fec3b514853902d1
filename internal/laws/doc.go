// Package laws holds what the repository keeps as a whole, as tests: who may
// import whom and why, what each package may link and what it links, how files
// look, and the exported names with their signatures. It is nothing but tests.
//
//	go test ./internal/laws            # the laws, and what is there against testdata
//	go test ./internal/laws -update    # write testdata anew after a change that was meant
//
// A new package needs a row in the table of imports (imports_test.go). The tests
// read every Go file of the module themselves, and so the cache of go test never
// hands out an answer from before a change, although a part of the facts comes
// from the go command.
package laws
