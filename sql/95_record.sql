-- Journal and audit can be written from the first moment on, and every dataset's rows are journaled.
select lakeward.ensure_partitions();
select lakeward.renew_journals();
