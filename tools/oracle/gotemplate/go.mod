module flotilla/oracle/gotemplate

go 1.26
