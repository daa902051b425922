package identity_test

// digests are those of kinds, with each field that counts.
var digests = map[string]string{
	"accessgrants.Provider":     "47c316801300213eff7a0c341fc3942947e43149da644cef7ecfe1dd7561921b",
	"assumerole.Provider":       "f1d1b89873aaf32e5993daecaacaf3ae9ec91158e8b3dea1cd084e3da83c86f7",
	"env.Provider":              "a70a522c317a7bd63776943d6f58efa0e00fd6706fc26decbcdbe0911f62bc84",
	"federation.Provider":       "8d102a6ad5cac1673118b58a03f73e65150055d729cb82e5ac0b23e62d9a3647",
	"iot.Provider":              "c18297f22ab65323767b2a6c3643c96b64c80873ad44bf1ea9a2143e80535cee",
	"login.Provider":            "35920f672c4f6f064da7254e928344cfe4ce709754f998d9276bf92a4cee368e",
	"minio.Certificate":         "feb392e2044b5e99e69998eabc3773a00b2647f91a4bbaf1d335b7c0d82e6ca6",
	"minio.CustomToken":         "e8ae641559263800e82d89eeaf95995f4ec39358f2fcd90398b6a8934a5197a3",
	"minio.LDAP":                "80ebca113bf09dba62771d026ebf74b7a2b1e32072426b88bfd3d2720ed51baf",
	"profile.Provider":          "6724615ae3a814dedcb363c955826201bf5057179f49ec96a2899050ab5633bb",
	"rolesanywhere.Provider":    "08006cbc7ea1cdd177612203a172bddd94dc58cec630c7aeadef9f56551cfa50",
	"s3express.Provider":        "f5a3c420c41c4e1079af6dadee5c47e93ef7e61d9583d6dea31944c789690afb",
	"saml.Provider":             "ae8dbdb8df9557137c563a481ad710d166810f03fb65f202d1395178d87b48aa",
	"sessiontoken.Provider":     "00a48fc87c141e58e5739faac9b270f853e78bac8df7938ca99030503749b838",
	"sso.Provider":              "3f503124177d7953b329a73e6397df641fbd1ec97d05d79ffca100d529be80a3",
	"shared.Provider":           "a3f77f83672e509db0c003b25754393e668ce9092b785163cea625bdf8ab267a",
	"stsquery.Client":           "ba667b9ec38f641ab29093dbdb917b4bce65b211931cde460b5d0958948cd9cb",
	"stsquery.ProvidedContext":  "1077651418b08546d42e32a59cb212d3f39be80a3fdec282d00886bd9cb93c2d",
	"stsquery.Tag":              "53693724f246545b73b9f534795492e8ec7326e517a73b1131f89602f4e9ac30",
	"webidentity.FromEnv":       "6a5744ab1b9df2c061ef90901a32b3c24223308d59e866f63aac5bd9c50f9477",
	"webidentity.GitHubActions": "2b462f95061c747a32293d0bf1f30c29e810bb53e98b58cde9b24ecd4efa07c5",
	"webidentity.Provider":      "95069d873849d0f8975bfe58eb93a0f35ec5e2faa5eb75cd51f40a9d518f575a",
}
