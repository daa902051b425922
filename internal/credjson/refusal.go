package credjson

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/stschain-go/stschain/internal/wire"
)

// Said returns the code and the message of a service's refusal, for which services use different members. They
// are "" if the response is not a JSON object.
func Said(r wire.Response) (code, message string) {
	var doc struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Type        string `json:"__type"`
		Message     string `json:"message"`
	}
	if json.Unmarshal(r.Body, &doc) != nil {
		return "", ""
	}
	header, _, _ := strings.Cut(r.Header.Get("X-Amzn-Errortype"), ":")
	return cmp.Or(doc.Error, header, doc.Type[strings.LastIndex(doc.Type, "#")+1:]), cmp.Or(doc.Description, doc.Message)
}
