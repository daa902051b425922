package role

var MakeSessionName = makeSessionName
