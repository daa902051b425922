package iot

// For the fuzz target.
var ParseSession = parseSession
