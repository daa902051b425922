package dirstore

// NetworkNames are the names of network file systems by statfs(2).
var NetworkNames = networkNames
