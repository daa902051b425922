package profile_test
import ("testing";"fmt";"strings";"github.com/stschain-go/stschain/source/profile")
func BenchmarkBig(b *testing.B){ var s strings.Builder
for i:=range 20000 { fmt.Fprintf(&s,"[profile acct%d-admin]\nsso_session = corp\nsso_account_id = 1234%d\nsso_role_name = Admin\nregion = eu-west-1\n",i,i)}
t:=s.String(); b.SetBytes(int64(len(t))); b.ReportAllocs()
for b.Loop(){ if _,err:=profile.Parse(t,"");err!=nil{b.Fatal(err)}}}
func BenchmarkWorst(b *testing.B){ t:=strings.Repeat("[profile a]\n",(8<<20)/12)
var u strings.Builder; for i:=range 99999 {fmt.Fprintf(&u,"[profile %d]\n%s",i,"a=1\nb=1\nc=1\nd=1\ne=1\nf=1\ng=1\nh=1\ni=1\nj=1\n")}
v:="[profile a]\na =\n"+strings.Repeat(" a=\n",(8<<20)/4-10)
for n,x:=range []string{t,u.String(),v}{ b.Run(fmt.Sprint(n),func(b *testing.B){ b.ReportAllocs(); for b.Loop(){ profile.Parse(x,"")}})}}
func BenchmarkRetrieve(b *testing.B){ dir:=b.TempDir(); _=dir
p:=&profile.Provider{LookupEnv: env{"HOME":"/tmp/bhome"}.lookup, Clock: later{}}
b.ReportAllocs(); for b.Loop(){ if _,err:=p.Retrieve(b.Context());err!=nil{b.Fatal(err)}}}
