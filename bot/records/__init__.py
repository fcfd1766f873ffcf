"""The records: what must outlive a crash, in SQL, with a patient's words sealed.

    cipher = KeyFile.load_or_create(path)                    # crypto
    database = Database("sqlite:///FILE", cipher)            # database; or postgresql://…
    await database.start()                                   # migrates; NewerDatabase, KeyFileError
    outbox, audit = Outbox(database), AuditLog(cipher)       # outbox, audit
    conversations, inbox = Conversations(database), Inbox(database, outbox)
    staff, buttons = StaffStore(database, audit), ButtonTokens(database)

Every failure is a :class:`bot.records.errors.RecordsError`; ``RecordsUnavailable`` alone means "try again".
Tables of other rooms are declared on ``bot.records.tables.metadata`` and bring a file in
``migrations/versions``. This room knows rows, keys and transactions; it decides nothing about a patient.
"""
