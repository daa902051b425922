// Package valkeystore is a shared.Store on Valkey or Redis. It is a separate module, because it requires valkey-go.
package valkeystore
