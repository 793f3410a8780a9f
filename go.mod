module github.com/svcpath/svcpath

go 1.26
