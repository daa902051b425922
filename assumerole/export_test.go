package assumerole

var (
	SessionName = sessionName
	SameRole    = sameRole
	AccountOf   = accountOf
)
