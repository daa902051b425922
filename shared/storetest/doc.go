// Package storetest tests implementations of [shared.Store], and has one in memory for tests of what uses a store.
//
// [Run] is the contract of a store as a test:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Setup {
//			address := startServer(t)
//			return storetest.Setup{Stores: []shared.Store{connect(t, address), connect(t, address)}}
//		})
//	}
//
// [Memory] fails as real stores do, as often as a test wants it to.
package storetest
