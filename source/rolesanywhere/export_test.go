package rolesanywhere

// For the fuzz target.
var ParseSession = parseSession
