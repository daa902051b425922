// Minio assumes a role by minio-go's credentials.
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

func main() {
	role, err := credentials.NewSTSAssumeRole("https://sts."+os.Getenv("AWS_REGION")+".amazonaws.com", credentials.STSAssumeRoleOptions{
		AccessKey:       os.Getenv("AWS_ACCESS_KEY_ID"),
		SecretKey:       os.Getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    os.Getenv("AWS_SESSION_TOKEN"),
		Location:        os.Getenv("AWS_REGION"),
		RoleARN:         os.Args[1],
		RoleSessionName: "size",
	})
	if err != nil {
		log.Fatal(err)
	}
	creds, err := role.GetWithContext(nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(creds.Expiration)
}
