package flow

var MakeSessionName = makeSessionName
