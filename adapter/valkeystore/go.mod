module github.com/stschain-go/stschain/adapter/valkeystore

go 1.26.0

replace github.com/stschain-go/stschain => ../..

require (
	github.com/stretchr/testify v1.12.1
	github.com/stschain-go/stschain v0.0.0
	github.com/valkey-io/valkey-go v1.0.79
	go.uber.org/goleak v1.3.0
)

require (
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
)
