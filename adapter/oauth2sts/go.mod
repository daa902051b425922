module github.com/stschain-go/stschain/adapter/oauth2sts

go 1.26.0

replace github.com/stschain-go/stschain => ../..

require (
	github.com/stretchr/testify v1.12.1
	github.com/stschain-go/stschain v0.0.0
	go.uber.org/goleak v1.3.0
	golang.org/x/oauth2 v0.37.0
)

require (
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sync v0.24.0 // indirect
)
