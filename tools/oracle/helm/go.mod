module flotilla/oracle/helm

go 1.26
